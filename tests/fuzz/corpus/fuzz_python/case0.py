from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', sa.Integer), sa.Column('b', sa.BigInteger()), sa.Column('c', sa.SmallInteger()), sa.Column('d', sa.INTEGER()), sa.Column('e', sa.BIGINT()),
        sa.Column('f', sa.String(5)), sa.Column('g', sa.Unicode(length=5)), sa.Column('h', sa.Text()), sa.Column('i', sa.UnicodeText()), sa.Column('j', sa.CHAR(3)), sa.Column('k', sa.VARCHAR(length=7)), sa.Column('l', sa.TEXT()),
        sa.Column('m', sa.Boolean()), sa.Column('n', sa.BOOLEAN()),
        sa.Column('o', sa.DateTime()), sa.Column('p', sa.DateTime(timezone=True)), sa.Column('q', sa.Date()), sa.Column('r', sa.Time()), sa.Column('s', sa.Time(timezone=True)), sa.Column('u', sa.DATE()),
        sa.Column('v', sa.Float()), sa.Column('w', sa.Float(precision=20)), sa.Column('x', sa.Numeric()), sa.Column('y', sa.Numeric(8)), sa.Column('z', sa.Numeric(precision=8, scale=3)),
        sa.Column('aa', sa.DECIMAL(5, 1)), sa.Column('ab', sa.Double()), sa.Column('ac', sa.REAL()), sa.Column('ad', sa.LargeBinary()), sa.Column('ae', sa.JSON()), sa.Column('af', sa.Interval()),
        sa.Column('ag', sa.Uuid()), sa.Column('ah', sa.UUID()), sa.Column('ai', sa.Uuid(native_uuid=False)))
