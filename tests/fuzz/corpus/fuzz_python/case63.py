from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', postgresql.ENUM('new', 'done', name='state', create_type=False)),
        sa.Column('b', sa.ARRAY(postgresql.ENUM('new', 'done', name='state', create_type=False))))
