from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_index('ix_a', 't', ['a', 'b'], mysql_length={'a': 10})
    op.create_index('ix_b', 't', ['a'], mysql_prefix='FULLTEXT')
    op.create_index('ix_c', 't', ['a'], mysql_using='hash', mysql_length=5)
