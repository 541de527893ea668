from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.add_column('t', sa.Column('a', postgresql.JSONB()))
