from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_index('ix_a', 't', ['a'])
    op.create_index(op.f('ix_b'), 't', ['a', 'b'], unique=True)
    op.create_index('ix_c', 't', ['a'], schema='app', if_not_exists=True)
    op.drop_index('ix_a', table_name='t')
    op.drop_index(op.f('ix_b'), table_name='t', if_exists=True, schema='app')
