from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t', sa.Column('id', sa.Integer()), postgresql_partition_by='RANGE (id)')
