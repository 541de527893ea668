from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    rows = op.get_bind().execute(sa.text("SELECT 1"))
