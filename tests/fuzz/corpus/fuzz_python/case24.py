from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    with op.batch_alter_table('t', recreate='always') as batch_op:
        batch_op.drop_column('a')
