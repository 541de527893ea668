from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table_comment('t', "it's mine", schema='app')
    op.drop_table_comment('t', existing_comment='old')
