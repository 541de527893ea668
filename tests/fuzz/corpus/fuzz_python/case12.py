from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    conn = op.get_bind()
    for row in conn.execute(sa.text("SELECT 1")):
        pass
