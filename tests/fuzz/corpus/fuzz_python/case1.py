from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t', sa.Column('a', sa.LargeBinary(length=100)), sa.Column('b', sa.BINARY(16)), sa.Column('c', sa.VARBINARY(20)), sa.Column('d', sa.BLOB()), sa.Column('e', sa.DATETIME()))
