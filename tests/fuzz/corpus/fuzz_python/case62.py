from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', sa.Enum('new', 'done', name='state'), nullable=False),
        sa.Column('b', sa.Enum('new', 'done', name='state')),
        sa.Column('c', sa.Enum('x', 'longer', name='other', native_enum=False)))
