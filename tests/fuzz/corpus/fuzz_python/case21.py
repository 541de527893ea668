from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.bulk_insert(sa.table('t'), [{'a': datetime.now()}])
