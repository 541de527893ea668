from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('a', sa.Column('x', sa.Integer()), sa.ForeignKeyConstraint(['x'], ['b.y'], deferrable=True, initially='DEFERRED', match='FULL'))
