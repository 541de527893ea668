from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t', sa.Column('a', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=True), sa.Column('b', sa.Integer().with_variant(mysql.BIGINT(unsigned=True), 'mysql')))
