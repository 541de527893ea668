from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    conn = op.get_bind()
    conn.execute(sa.text("UPDATE t SET b = '\\\\:c'"))
    op.get_bind().execute(sa.text("DELETE FROM t"))
