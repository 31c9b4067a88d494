"""Django: migrations of its own applications, a model's life, ORM queries, introspection."""
import os

import django
from django.conf import settings


def run(check):
    e = os.environ
    settings.configure(
        DATABASES={'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': e['PGHOST'], 'PORT': e['PGPORT'],
                               'NAME': e['PGDATABASE'], 'USER': e['PGUSER'], 'PASSWORD': e['PGPASSWORD']}},
        INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth', 'django.contrib.sessions',
                        'django.contrib.admin', 'django.contrib.messages'],
        DEFAULT_AUTO_FIELD='django.db.models.BigAutoField', USE_TZ=True, SECRET_KEY='x')
    django.setup()
    from django.core.management import call_command
    from django.db import connection, models, transaction, IntegrityError
    from django.db.models import Count, F, Q, Sum
    call_command('migrate', verbosity=0)
    check('migrate', True)
    from django.contrib.auth.models import Group, Permission, User
    User.objects.all().delete()
    u = User.objects.create_user('ann', 'a@example.org', 'secret')
    g = Group.objects.create(name='staff')
    u.groups.add(g)
    check('many to many', list(User.objects.filter(groups__name='staff').values_list('username', flat=True)) == ['ann'])
    check('aggregation', Permission.objects.values('content_type__app_label').annotate(n=Count('id')).order_by('-n').count() > 0)
    check('Q and F', User.objects.filter(Q(username__icontains='AN') & ~Q(id=F('id') + 1)).exists())
    try:
        with transaction.atomic():
            User.objects.create_user('ann')
        check('integrity error', False)
    except IntegrityError:
        check('integrity error', True)
    obj, made = Group.objects.get_or_create(name='new')
    check('get_or_create', made and not Group.objects.get_or_create(name='new')[1])
    Group.objects.bulk_create([Group(name='g%d' % i) for i in range(50)])
    check('bulk_create', Group.objects.filter(name__startswith='g').count() == 50)
    check('server-side cursor', sum(1 for _ in Group.objects.all().iterator(chunk_size=10)) == 52)
    with transaction.atomic():
        check('select for update', User.objects.select_for_update(skip_locked=True).get(username='ann').id == u.id)

    class Thing(models.Model):
        name = models.CharField(max_length=20, db_index=True)
        n = models.IntegerField(default=0)
        data = models.JSONField(null=True)
        at = models.DateTimeField(auto_now_add=True)
        group = models.ForeignKey(Group, on_delete=models.CASCADE)

        class Meta:
            app_label = 'auth'
            db_table = 'dj_thing'
            constraints = [models.CheckConstraint(check=Q(n__gte=0), name='dj_thing_n')]
            indexes = [models.Index(fields=['n', '-at'])]

    with connection.schema_editor() as ed:
        ed.create_model(Thing)
        f = models.CharField(max_length=10, default='x')
        f.set_attributes_from_name('extra')
        ed.add_field(Thing, f)
        to = models.TextField(null=True)
        to.set_attributes_from_name('extra')
        ed.alter_field(Thing, f, to)
        ed.remove_field(Thing, to)
    check('schema editor', True)
    Thing.objects.create(name='a', n=1, data={'k': {'x': 1}}, group=g)
    Thing.objects.create(name='b', n=2, data={'k': {'x': 2}}, group=g)
    check('json path', Thing.objects.get(data__k__x=2).name == 'b')
    check('sum', Thing.objects.aggregate(s=Sum('n'))['s'] == 3)
    Thing.objects.filter(name='a').update(n=F('n') + 10)
    check('update', Thing.objects.get(name='a').n == 11)
    check('date truncation', Thing.objects.filter(at__date__isnull=False).dates('at', 'month').count() == 1)
    check('explain', 'Scan' in Thing.objects.all().explain())
    with connection.cursor() as c:
        names = [t.name for t in connection.introspection.get_table_list(c)]
        check('introspection: tables', 'dj_thing' in names)
        cons = connection.introspection.get_constraints(c, 'dj_thing')
        check('introspection: constraints', cons['dj_thing_n']['check'], cons)
        desc = connection.introspection.get_table_description(c, 'dj_thing')
        check('introspection: columns', [d.name for d in desc] == ['id', 'name', 'n', 'data', 'at', 'group_id'])
        check('introspection: sequences', connection.introspection.get_sequences(c, 'dj_thing') != [])
    with connection.schema_editor() as ed:
        ed.delete_model(Thing)
    call_command('migrate', 'auth', 'zero', verbosity=0)
    check('migrate back', True)
    with connection.cursor() as c:
        c.execute('drop table if exists django_session, django_admin_log, django_content_type, django_migrations cascade')
    connection.close()
