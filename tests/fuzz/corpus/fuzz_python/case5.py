from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', sa.DateTime(), server_default=sa.text('CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP')),
        sa.Column('b', mysql.DATETIME(fsp=6), server_default=sa.text('CURRENT_TIMESTAMP(6)')),
        sa.Column('c', sa.String(36), server_default=sa.text('uuid()')))
