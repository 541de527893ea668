from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.drop_table('t')
    op.drop_table('t', schema='app')
    op.drop_table('t', if_exists=True)
    op.rename_table('a', 'b')
    op.rename_table('a', 'b', schema='app')
