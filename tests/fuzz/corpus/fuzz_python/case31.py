from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_index('ix_a', 't', ['a'], postgresql_using='gin', postgresql_where=sa.text("b = 'x'"))
    op.create_index('ix_b', 't', ['a'], postgresql_include=['b', 'c'], postgresql_with={'fillfactor': 50}, postgresql_ops={'a': 'text_pattern_ops'})
    op.create_index('ix_c', 't', ['a'], unique=True, postgresql_nulls_not_distinct=True, postgresql_where='a > 1')
    with op.get_context().autocommit_block():
        op.create_index('ix_d', 't', ['a'], postgresql_concurrently=True)
        op.drop_index('ix_e', table_name='t', postgresql_concurrently=True)
