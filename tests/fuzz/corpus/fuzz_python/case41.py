from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.add_column('t', sa.Column('a', sa.Integer(), nullable=True))
    op.add_column('t', sa.Column('b', sa.String(length=20), server_default='x', nullable=False))
    op.add_column('t', sa.Column('c', sa.Boolean(), server_default=sa.text('false'), nullable=False), schema='app')
    op.add_column('t', sa.Column('d', sa.Enum('x', 'y', name='e'), nullable=True))
    op.add_column('t', sa.Column('e', sa.Integer(), index=True))
