from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t', sa.Column('id', sa.Integer, primary_key=True),
        mysql_engine='InnoDB', mysql_charset='utf8mb4', mysql_collate='utf8mb4_bin', sqlite_autoincrement=True)
    op.create_table('u', sa.Column('id', sa.Integer), if_not_exists=True, prefixes=['TEMPORARY'])
