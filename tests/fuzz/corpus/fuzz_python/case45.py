from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.alter_column('t', 'a', existing_type=sa.Integer(), autoincrement=True, existing_nullable=False)
    op.alter_column('t', 'a', existing_type=sa.Integer(), existing_autoincrement=True, nullable=False)
