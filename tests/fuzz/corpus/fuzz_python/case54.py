from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('orders',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('user_id', sa.Integer(), sa.ForeignKey('users.id', ondelete='CASCADE'), nullable=False, unique=True),
        sa.Column('other_id', sa.Integer(), sa.ForeignKey('others.id', name='fk_other', onupdate='SET NULL')),
        sa.Column('total', sa.Numeric(precision=10, scale=2), nullable=True),
        sa.CheckConstraint('total > 0', name='ck_total'),
        sa.CheckConstraint(sa.text("total < 1000")),
        sa.ForeignKeyConstraint(['user_id', 'total'], ['users.id', 'users.total'], name=op.f('fk_both'), ondelete='RESTRICT'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_orders')),
        sa.UniqueConstraint('user_id', 'total', name='uq_both'))
