from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    state = sa.Enum('a', "b's", name='state')
    state.create(op.get_bind())
    sa.Enum(name='state').drop(op.get_bind(), checkfirst=False)
    sa.Enum(name='state').drop(op.get_bind())
