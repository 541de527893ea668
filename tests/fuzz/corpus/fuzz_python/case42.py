from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.add_column('t', sa.Column('a', sa.Integer(), sa.ForeignKey('u.id', ondelete='SET NULL')))
    op.add_column('t', sa.Column('b', sa.Integer(), unique=True))
    op.add_column('t', sa.Column('c', sa.Integer(), unique=True, index=True, comment='a c'))
