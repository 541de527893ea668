from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.alter_column('t', 'a', existing_type=sa.INTEGER(), nullable=False)
    op.alter_column('t', 'a', existing_type=sa.VARCHAR(length=10), type_=sa.String(length=20), existing_nullable=False)
    op.alter_column('t', 'a', existing_type=sa.INTEGER(), type_=sa.BigInteger(), existing_nullable=True, existing_server_default='5', existing_comment='old')
    op.alter_column('t', 'a', existing_type=sa.String(10), server_default='new')
    op.alter_column('t', 'a', existing_type=sa.String(10), server_default=None)
    op.alter_column('t', 'a', existing_type=sa.String(10), server_default=sa.text("'x'"), schema='app')
    op.alter_column('t', 'a', existing_type=sa.DateTime(), server_default=sa.text('now()'), existing_nullable=False)
    op.alter_column('t', 'a', existing_type=sa.DateTime(), server_default=None)
    op.alter_column('t', 'a', existing_type=sa.TIMESTAMP(), nullable=True)
    op.alter_column('t', 'a', existing_type=sa.String(10), new_column_name='b', nullable=True, type_=sa.Text(), comment='now b')
    op.alter_column('t', 'a', existing_type=sa.String(10), comment=None, existing_comment='was', existing_nullable=False)
    op.alter_column('t', 'a', existing_type=sa.Boolean(), type_=sa.Integer(), postgresql_using='a::integer')
