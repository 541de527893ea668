from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    with op.batch_alter_table('t', schema=None) as batch_op:
        batch_op.add_column(sa.Column('a', sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f('ix_t_a'), ['a'], unique=False)
        batch_op.drop_index('ix_old')
