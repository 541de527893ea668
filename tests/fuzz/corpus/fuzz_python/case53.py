from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))
    op.create_table('b', sa.Column('id', sa.BigInteger(), primary_key=True, autoincrement=True))
    op.create_table('c', sa.Column('id', sa.SmallInteger(), nullable=False), sa.PrimaryKeyConstraint('id', name='pk_c'))
    op.create_table('d', sa.Column('id', sa.Integer, primary_key=True, autoincrement=False))
    op.create_table('e', sa.Column('id', sa.Integer, sa.ForeignKey('a.id'), primary_key=True))
    op.create_table('f', sa.Column('x', sa.Integer, primary_key=True), sa.Column('y', sa.Integer, primary_key=True))
    op.create_table('g', sa.Column('id', sa.String(36), primary_key=True))
    op.create_table('h', sa.Column('id', sa.Integer, primary_key=True, server_default='5'))
    op.create_table('i', sa.Column('id', sa.Integer, nullable=False), sa.PrimaryKeyConstraint('id'), sa.ForeignKeyConstraint(['id'], ['a.id']))
    op.create_table('j', sa.Column('id', sa.Integer()), sa.PrimaryKeyConstraint('id'))
