from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    if op.get_bind().dialect.name == 'postgresql':
        op.drop_table('a')
