from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', sa.Integer(), sa.Identity(always=True, start=10, increment=5), primary_key=True),
        sa.Column('b', sa.Integer(), sa.Identity(), nullable=True),
        sa.Column('c', sa.Integer(), sa.Computed('a * 2', persisted=True)))
