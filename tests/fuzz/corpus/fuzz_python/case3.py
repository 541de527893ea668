from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', postgresql.UUID(as_uuid=True)), sa.Column('b', postgresql.JSONB(astext_type=sa.Text())), sa.Column('c', postgresql.JSON(astext_type=sa.Text())), sa.Column('d', postgresql.ARRAY(sa.String(length=5))), sa.Column('e', sa.ARRAY(sa.Integer(), dimensions=2)),
        sa.Column('f', postgresql.TIMESTAMP(timezone=True, precision=3)), sa.Column('g', postgresql.TIMESTAMP()), sa.Column('h', postgresql.TIME(precision=2)), sa.Column('i', postgresql.INTERVAL(fields='DAY', precision=2)), sa.Column('j', postgresql.BYTEA()),
        sa.Column('k', postgresql.INET()), sa.Column('l', postgresql.CIDR()), sa.Column('m', postgresql.MACADDR()), sa.Column('n', postgresql.HSTORE()), sa.Column('o', postgresql.TSVECTOR()), sa.Column('p', postgresql.CITEXT()), sa.Column('q', postgresql.MONEY()), sa.Column('r', postgresql.INT4RANGE()), sa.Column('s', postgresql.TSTZRANGE()),
        sa.Column('u', postgresql.DOUBLE_PRECISION(precision=53)), sa.Column('v', postgresql.VARCHAR(10)), sa.Column('w', postgresql.INTEGER()), sa.Column('x', postgresql.OID()), sa.Column('y', sa.String(5, collation='C')))
