"""one"""
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, mysql
revision='a1'
down_revision=None
def upgrade():
    t = op.create_table('users',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('ref', sa.BigInteger(), sa.ForeignKey('other.id', ondelete='CASCADE'), nullable=True, unique=True),
        sa.Column('ref2', sa.BigInteger(), sa.ForeignKey('other.id', name='fk_ref2'), unique=True, index=True),
        sa.Column('name', sa.String(length=50), nullable=False, comment="it's"),
        sa.Column('big', sa.Text(), server_default='x', nullable=True),
        sa.Column('flag', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('flag2', sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column('kind', sa.Enum('a','bb', name='kind_t'), nullable=False),
        sa.Column('kind2', sa.Enum('a','bb', name='kind_u', native_enum=False), nullable=False),
        sa.Column('kind3', sa.Enum('a','bb', name='kind_v', create_constraint=True, native_enum=False), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('at2', sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.Column('d', sa.Date()), sa.Column('t', sa.Time()), sa.Column('f', sa.Float()), sa.Column('f2', sa.Float(precision=53)),
        sa.Column('n', sa.Numeric(10,2)), sa.Column('n2', sa.Numeric()), sa.Column('b', sa.LargeBinary()), sa.Column('j', sa.JSON()),
        sa.Column('u', sa.UUID()), sa.Column('u2', sa.Uuid()), sa.Column('iv', sa.Interval()), sa.Column('db', sa.Double()),sa.Column('ts', sa.TIMESTAMP()),
        sa.Column('un', sa.Unicode(20)), sa.Column('sm', sa.SmallInteger(), server_default='7'),
        sa.CheckConstraint('n > 0', name='n_pos'),
        sa.ForeignKeyConstraint(['ref'], ['o.t.id'], name=op.f('fk_x'), onupdate='CASCADE', deferrable=True, initially='DEFERRED'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
        sa.UniqueConstraint('name', 'n', name='uq_a'),
        comment='the table',
        if_not_exists=True,
        mysql_engine='InnoDB', mysql_default_charset='utf8mb4', mysql_collate='utf8mb4_bin',
    )
    op.create_index(op.f('ix_users_name'), 'users', ['name', sa.text('lower(big) DESC')], unique=True, postgresql_using='gin', postgresql_where=sa.text('n > 1'), sqlite_where=sa.text('n > 2'), mysql_length={'name': 10})
    op.create_index('ix_2', 'users', ['n'], postgresql_concurrently=True, if_not_exists=True, postgresql_include=['d'], postgresql_with={'fillfactor': 50}, postgresql_ops={'n':'int4_ops'})
    op.create_table('pk2', sa.Column('a', sa.Integer, primary_key=True), sa.Column('b', sa.Integer, primary_key=True))
    op.create_table('pk3', sa.Column('a', sa.BigInteger, primary_key=True, autoincrement=True), sa.Column('i', sa.Integer, sa.Identity(start=3), nullable=False), sa.Column('c', sa.Integer, sa.Computed('i * 2', persisted=True)), schema='Sch')
    op.create_table('pk4', sa.Column('a', sa.Integer, sa.ForeignKey('pk3.a'), primary_key=True))
    op.create_table('pk5', sa.Column('a', sa.Integer, primary_key=True, autoincrement=False))
    op.create_table('pk6', sa.Column('a', sa.Integer, primary_key=True, server_default='5'), sqlite_autoincrement=True)
    op.create_table('pk7', sa.Column('a', sa.Integer, primary_key=True), sqlite_autoincrement=True)
    op.create_table('pk8', sa.Column('a', sa.String(36), nullable=False), sa.PrimaryKeyConstraint('a'))
    op.create_table('empty')
    op.bulk_insert(t, [{'id': 1, 'name': "it's 100%", 'flag': True, 'n': 1.5, 'big': None}, {'id': 2, 'name':'b', 'flag': False}])
    op.bulk_insert(sa.table('x', sa.column('a', sa.Integer), sa.column('b')), [{'a': 1, 'b': 'q'}])
    op.execute("insert into x values ('a:b', '\\:c', 1::int)")
    op.execute(sa.text("update x set a = '100%'"))
def downgrade():
    op.drop_table('users')
