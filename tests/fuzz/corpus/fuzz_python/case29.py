from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_index('ix_a', 't', [sa.text('lower(a)'), 'b'])
