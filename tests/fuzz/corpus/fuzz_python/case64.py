from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    t = op.create_table('t', sa.Column('a', sa.Integer()), sa.Column('b', sa.String(20)), sa.Column('c', sa.Boolean()), sa.Column('d', sa.Float()))
    op.bulk_insert(t, [{'a': 1, 'b': "it's 1", 'c': True, 'd': -1.5}, {'a': -2, 'b': None, 'c': False, 'd': 0.25}])
    op.bulk_insert(sa.table('u', sa.column('x', sa.String)), [{'x': 'only'}])
    op.bulk_insert(t, [])
