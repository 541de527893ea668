from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', sa.String(10), server_default='it\'s'),
        sa.Column('b', sa.Integer(), server_default='0', nullable=False),
        sa.Column('c', sa.Integer(), server_default=sa.text('1 + 1')),
        sa.Column('d', sa.Boolean(), server_default=sa.true()),
        sa.Column('e', sa.Boolean(), server_default=sa.false()),
        sa.Column('f', sa.DateTime(), server_default=sa.func.now()),
        sa.Column('g', sa.DateTime(), server_default=sa.func.current_timestamp()),
        sa.Column('h', sa.DateTime(), server_default=sa.text('CURRENT_TIMESTAMP')),
        sa.Column('i', sa.String(10), server_default=sa.text("'x'")),
        sa.Column('j', sa.String(10), server_default=sa.text("(lower('X'))")),
        sa.Column('k', sa.Integer(), default=7),
        sa.Column('l', sa.Integer(), server_default=sa.literal_column('3')))
