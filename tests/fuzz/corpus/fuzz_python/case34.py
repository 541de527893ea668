from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.drop_constraint('uq_a', 'a')
    op.create_unique_constraint('uq', 'a', ['x'], deferrable=True, initially='DEFERRED')
