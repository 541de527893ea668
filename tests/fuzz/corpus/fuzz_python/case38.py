from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.execute("CREATE TABLE a (x int); CREATE TABLE b (y int);")
    op.execute("SELECT 1::text")
