from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    t = op.create_table('t', sa.Column('a', sa.Integer(), default=1), sa.Column('b', sa.Integer()))
    op.bulk_insert(t, [{'b': 1}])
