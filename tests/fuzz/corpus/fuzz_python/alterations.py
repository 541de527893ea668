"""two"""
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, mysql
revision='a2'
down_revision='a1'
import os
U=os.environ['U']
def upgrade():
    op.add_column('users', sa.Column('x', sa.Enum('a','b', name='ee'), nullable=True))
    op.add_column('users', sa.Column('y', sa.Integer(), server_default='0', nullable=False, comment='c1'))
    op.add_column('users', sa.Column('z', sa.Integer(), server_default=sa.text('1+1'), nullable=False), schema='sch')
    if not U.startswith('sqlite'):
        op.add_column('users', sa.Column('fk', sa.Integer(), sa.ForeignKey('o.id', ondelete='SET NULL'), unique=True, index=True))
    op.add_column('users', sa.Column('idx', sa.Integer(), index=True))
    op.drop_column('users', 'y')
    op.rename_table('users', 'people')
    op.rename_table('users', 'people', schema='s')
    op.drop_table('q', schema='s', if_exists=True)
    op.drop_index('ix_a', table_name='users')
    op.drop_index(op.f('ix_b'), table_name='users', postgresql_concurrently=True, if_exists=True, schema='s')
    if not U.startswith('sqlite'):
        op.create_foreign_key('fk1', 'a', 'b', ['x'], ['y'], ondelete='CASCADE', source_schema='s1', referent_schema='s2')
        op.create_foreign_key(None, 'a', 'b', ['x','z'], ['y','w'], deferrable=True, initially='DEFERRED')
        op.create_unique_constraint('uq1', 'a', ['x', 'y'], schema='s')
        op.create_check_constraint('ck1', 'a', "x > 0 and y like '%z'")
        op.create_check_constraint('ck2', 'a', sa.text("x > 0"))
        op.create_primary_key('pk1', 'a', ['x'])
        op.drop_constraint('fk1', 'a', type_='foreignkey')
        op.drop_constraint('uq1', 'a', type_='unique', schema='s')
        op.drop_constraint('ck1', 'a', type_='check')
        op.drop_constraint('pk1', 'a', type_='primary')
        op.alter_column('users', 'a', existing_type=sa.INTEGER(), nullable=False)
        op.alter_column('users', 'a', existing_type=sa.INTEGER(), type_=sa.BigInteger(), existing_nullable=False, existing_server_default='5', existing_comment='cc')
        op.alter_column('users', 'a', existing_type=sa.String(10), server_default=sa.text("'x'"))
        op.alter_column('users', 'a', existing_type=sa.String(10), server_default='y')
        op.alter_column('users', 'a', existing_type=sa.String(10), server_default=None)
        op.alter_column('users', 'a', existing_type=sa.DateTime(), server_default=sa.text('now()'), existing_nullable=False)
        op.alter_column('users', 'a', existing_type=sa.String(10), new_column_name='b', nullable=True, type_=sa.Text())
        op.alter_column('users', 'a', existing_type=sa.String(10), comment='hello', existing_nullable=False)
        op.alter_column('users', 'a', existing_type=sa.String(10), comment=None)
        op.create_table_comment('users', 'tc', schema='s')
        op.drop_table_comment('users', schema='s')
        op.alter_column('users', 'a', existing_type=sa.Boolean(), type_=sa.Enum('a','b',name='q'), postgresql_using='a::q')
        op.alter_column('users', 'a', existing_type=sa.Integer(), autoincrement=True, existing_nullable=False)
    op.alter_column('users', 'a', existing_type=sa.String(10), new_column_name='b')
    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.add_column(sa.Column('bb', sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f('ix_bb'), ['bb'], unique=False)
        batch_op.drop_index('ix_cc')
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE x ADD VALUE 'y'")
    if U.startswith('postgres'):
        op.add_column('users', sa.Column('p1', postgresql.UUID(as_uuid=True), nullable=False))
        op.add_column('users', sa.Column('p2', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
        op.add_column('users', sa.Column('p3', postgresql.ARRAY(sa.String(5)), nullable=True))
        op.add_column('users', sa.Column('p4', sa.ARRAY(sa.Integer(), dimensions=2), nullable=True))
        op.add_column('users', sa.Column('p5', postgresql.ENUM('a','b',name='pe', create_type=False)))
        op.add_column('users', sa.Column('p6', postgresql.TIMESTAMP(timezone=True, precision=3)))
        op.add_column('users', sa.Column('p7', postgresql.ENUM('a','b',name='pf')))
        op.create_exclude_constraint('ex','t',('a','&&'),('b','='),using='gist',where="x > 1")
    if U.startswith('mysql') or U.startswith('maria'):
        op.add_column('users', sa.Column('p1', mysql.INTEGER(unsigned=True), nullable=False))
        op.add_column('users', sa.Column('p2', mysql.VARCHAR(50, charset='utf8mb4', collation='utf8mb4_bin'), nullable=True))
        op.add_column('users', sa.Column('p3', mysql.TINYINT(display_width=1), nullable=True))
        op.add_column('users', sa.Column('p4', mysql.DATETIME(fsp=6), server_default=sa.text('CURRENT_TIMESTAMP(6)')))
        op.add_column('users', sa.Column('p5', mysql.ENUM('a','b')))
        op.add_column('users', sa.Column('p6', sa.String(5), server_default=sa.text("concat('a','b')")))
        op.add_column('users', sa.Column('p7', sa.TIMESTAMP(), server_default=sa.text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")))
def downgrade():
    pass
