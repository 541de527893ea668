from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', sa.Integer(), comment='the first', index=True),
        comment="it's a table",
        schema='app')
    op.create_table('u', sa.Column('b', sa.String(5), unique=True, index=True))
