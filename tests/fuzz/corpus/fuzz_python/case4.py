from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_table('t',
        sa.Column('a', mysql.INTEGER(display_width=11, unsigned=True)), sa.Column('b', mysql.BIGINT(unsigned=True), autoincrement=True, nullable=False), sa.Column('c', mysql.TINYINT(1)), sa.Column('d', mysql.TINYINT(display_width=1)), sa.Column('e', mysql.MEDIUMINT()), sa.Column('f', mysql.SMALLINT()),
        sa.Column('g', mysql.VARCHAR(50, charset='utf8mb4', collation='utf8mb4_bin')), sa.Column('h', mysql.VARCHAR(length=20)), sa.Column('i', mysql.LONGTEXT()), sa.Column('j', mysql.MEDIUMTEXT(collation='utf8mb4_bin')), sa.Column('k', mysql.TINYTEXT()), sa.Column('l', mysql.TEXT()),
        sa.Column('m', mysql.DATETIME(fsp=6)), sa.Column('n', mysql.TIMESTAMP(fsp=3)), sa.Column('o', mysql.TIME(fsp=2)), sa.Column('p', mysql.YEAR()), sa.Column('q', mysql.ENUM('a', 'b')), sa.Column('r', mysql.DECIMAL(precision=10, scale=2)), sa.Column('s', mysql.DOUBLE(asdecimal=True)), sa.Column('u', mysql.FLOAT()), sa.Column('v', mysql.JSON()), sa.Column('w', mysql.LONGBLOB()), sa.Column('x', mysql.BIT(1)), sa.Column('y', mysql.CHAR(3)),
        sa.PrimaryKeyConstraint('b'))
