from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    with op.batch_alter_table('t') as batch_op:
        batch_op.drop_column('b')
        batch_op.alter_column('c', new_column_name='d')
        batch_op.alter_column('a', existing_type=sa.Integer(), nullable=False)
