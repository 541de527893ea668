from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t', sa.Column('a', sa.Integer()),
        sa.Column('b', sa.Integer(), sa.Computed('a * 2', persisted=True), nullable=False),
        sa.Column('c', sa.Integer(), sa.Computed('a * 3', persisted=False)),
        sa.Column('d', sa.Integer(), sa.Computed('a * 4')))
