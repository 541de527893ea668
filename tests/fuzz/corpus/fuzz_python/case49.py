from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    with op.batch_alter_table('t') as batch_op:
        batch_op.alter_column('a', existing_type=sa.Integer(), nullable=False)
        batch_op.drop_constraint('uq_t', type_='unique')
        batch_op.create_unique_constraint('uq_t', ['a', 'b'])
        batch_op.create_foreign_key('fk_t', 'u', ['a'], ['id'], ondelete='CASCADE')
        batch_op.drop_column('b')
