from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.execute("UPDATE t SET a = 'x:y' WHERE b = '12:30'")
    op.execute(
        "INSERT INTO t (a) "
        "VALUES ('one')"
    )
    op.execute(sa.text("UPDATE t SET a = '100%'"))
    op.execute("""
        UPDATE t
           SET a = 'two'
    """)
    sql = "DELETE FROM t"
    op.execute(sql)
