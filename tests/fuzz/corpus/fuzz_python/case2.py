from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t', sa.Column('a', sa.TIMESTAMP(), nullable=True), sa.Column('b', sa.TIMESTAMP(timezone=True), nullable=False))
