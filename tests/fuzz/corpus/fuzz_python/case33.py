from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
def upgrade():
    op.create_foreign_key('fk_a', 'a', 'b', ['x'], ['y'], ondelete='CASCADE', onupdate='SET NULL')
    op.create_foreign_key(None, 'a', 'b', ['x', 'z'], ['y', 'w'])
    op.create_foreign_key('fk_b', 'a', 'b', ['x'], ['y'], source_schema='one', referent_schema='two')
    op.create_unique_constraint('uq_a', 'a', ['x', 'y'], schema='app')
    op.create_unique_constraint(None, 'a', ['x'])
    op.create_check_constraint('ck_a', 'a', "x > 0 AND y LIKE 'a%'")
    op.create_check_constraint('ck_b', 'a', sa.text('x < 9'))
    op.create_primary_key('pk_a', 'a', ['x', 'y'])
    op.drop_constraint('fk_a', 'a', type_='foreignkey')
    op.drop_constraint('uq_a', 'a', type_='unique', schema='app')
    op.drop_constraint('ck_a', 'a', type_='check')
    op.drop_constraint('pk_a', 'a', type_='primary')
