from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_index('ix_a', 't', ['a'], sqlite_where=sa.text('a > 1'), postgresql_where=sa.text('a > 2'))
