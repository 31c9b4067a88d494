"""SQLAlchemy: core, ORM, reflection; Alembic: migrations and autogenerate."""
import os

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.orm import Session, declarative_base, relationship

Base = declarative_base()


class Author(Base):
    __tablename__ = 'sa_author'
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, unique=True, comment='who')
    born = sa.Column(sa.Date)
    score = sa.Column(sa.Numeric(8, 2), server_default='0')
    data = sa.Column(sa.JSON)
    books = relationship('Book', back_populates='author', cascade='all, delete-orphan')
    __table_args__ = (sa.CheckConstraint('score >= 0', name='sa_author_score'), )


class Book(Base):
    __tablename__ = 'sa_book'
    id = sa.Column(sa.BigInteger, sa.Identity(), primary_key=True)
    title = sa.Column(sa.Text, nullable=False, index=True)
    tags = sa.Column(sa.ARRAY(sa.Text))
    author_id = sa.Column(sa.ForeignKey('sa_author.id', ondelete='CASCADE'), nullable=False)
    author = relationship('Author', back_populates='books')
    __table_args__ = (sa.Index('sa_book_lower', sa.text('lower(title)')), )


def run(check):
    engine = sa.create_engine(os.environ['URL'])
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as s:
        s.add(Author(name='A', data={'k': [1, 2]}, books=[Book(title='One', tags=['x', 'y']), Book(title='Two')]))
        s.add(Author(name='B'))
        s.commit()
        got = s.execute(sa.select(Author.name, sa.func.count(Book.id)).outerjoin(Book).group_by(Author.name)
                        .order_by(Author.name)).all()
        check('query with join and group', got == [('A', 2), ('B', 0)], got)
        a = s.query(Author).filter_by(name='A').one()
        check('json and arrays', a.data == {'k': [1, 2]} and a.books[0].tags == ['x', 'y'])
        got = s.execute(sa.select(Book.title, sa.func.row_number().over(order_by=Book.title.desc()))).all()
        check('window function', got == [('Two', 1), ('One', 2)], got)
        s.delete(a)
        s.commit()
        check('delete cascades', s.query(Book).count() == 0)
        try:
            s.add(Author(name='B'))
            s.commit()
            check('integrity error', False)
        except sa.exc.IntegrityError as e:
            check('integrity error', e.orig.pgcode == '23505')
    insp = sa.inspect(engine)
    check('reflection: tables', {'sa_author', 'sa_book'} <= set(insp.get_table_names()), insp.get_table_names())
    cols = {c['name']: c for c in insp.get_columns('sa_author')}
    check('reflection: columns', list(cols) == ['id', 'name', 'born', 'score', 'data'] and
          cols['name']['comment'] == 'who' and not cols['name']['nullable'], cols)
    check('reflection: identity', insp.get_columns('sa_book')[0].get('identity') is not None)
    check('reflection: primary key', insp.get_pk_constraint('sa_book')['constrained_columns'] == ['id'])
    fk = insp.get_foreign_keys('sa_book')
    check('reflection: foreign keys', len(fk) == 1 and fk[0]['referred_table'] == 'sa_author' and
          fk[0]['options'] == {'ondelete': 'CASCADE'}, fk)
    check('reflection: unique', [u['column_names'] for u in insp.get_unique_constraints('sa_author')] == [['name']])
    check('reflection: checks', [c['name'] for c in insp.get_check_constraints('sa_author')] == ['sa_author_score'])
    idx = {i['name']: i for i in insp.get_indexes('sa_book')}
    check('reflection: indexes', 'ix_sa_book_title' in idx, idx)
    check('reflection: schemas', 'public' in insp.get_schema_names())
    check('reflection: views', insp.get_view_names() is not None)
    meta = sa.MetaData()
    meta.reflect(engine, only=['sa_author', 'sa_book'])
    check('reflection: whole', set(meta.tables) == {'sa_author', 'sa_book'})
    with engine.connect() as conn:
        ctx = MigrationContext.configure(conn, opts={'compare_type': True})
        ours = lambda d: [x for x in d if 'sa_' in str(x)]  # noqa: E731
        diff = ours(compare_metadata(ctx, Base.metadata))
        diff = [d for d in diff if d[0] not in ('remove_table', ) or d[1].name.startswith('sa_')]
        check('alembic: no difference found', not diff, diff)
        op = Operations(ctx)
        with conn.begin() if not conn.in_transaction() else conn.begin_nested():
            op.add_column('sa_author', sa.Column('email', sa.String(80), server_default='none'))
            op.create_index('sa_author_email', 'sa_author', ['email'])
            op.alter_column('sa_author', 'email', nullable=False, type_=sa.Text())
            op.create_check_constraint('sa_email', 'sa_author', "email <> ''")
            op.rename_table('sa_book', 'sa_book2')
            op.rename_table('sa_book2', 'sa_book')
            op.drop_constraint('sa_email', 'sa_author')
            op.drop_column('sa_author', 'email')
        check('alembic: operations', True)
    Base.metadata.drop_all(engine)
    engine.dispose()
