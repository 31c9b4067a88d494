/* libfabric, datagram (reliable, unconnected) endpoints: "shm" between processes of one machine,
 * "efa".
 *
 * The shm provider cannot wake a sleeper. Beside its region each transport has a doorbell: a page
 * of shared memory that says whether the owner sleeps, and a datagram socket that wakes it. The
 * sender looks at the page after its message is in; the owner sets `asleep`, then looks for
 * messages once more, then sleeps: one of the two sees the other (both with full fences).
 *
 * Addresses: shm: the name, made unique with the process id. efa: the provider's raw name in hex.
 * What dead processes left in /dev/shm is removed at creation. */
#include "transport_raw.h"

#include "assert.h"
#include "mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OFI_VERSION FI_VERSION(1, 17)
#define BATCH       32
#define RECEIVES    64
#define NAME_PREFIX "lagoon."

typedef struct bell_page {
    _Atomic uint32_t asleep;
} bell_page;

typedef struct rdm {
    lg_raw raw;
    struct fi_info *info;
    struct fid_fabric *fabric;
    struct fid_domain *domain;
    struct fid_av *av;
    struct fid_cq *cq;
    struct fid_ep *ep;
    struct fid_mr *mr[LG_NETBUF_CLASSES];
    lg_list posted_receives;
    lg_list posted_sends;
    uint32_t recv_missing;
    lg_poller poller;
    lg_fd_watch *watch;
    bool shm;
    char bell_name[128]; /* in /dev/shm; also the socket's abstract name */
    bell_page *bell;     /* our own */
    int bell_fd;         /* our socket, bound */
} rdm;

struct slot { /* in lg_netbuf.private_words */
    struct fi_context ctx;
    uint64_t is_recv;
};

/* In lg_raw_link.fabric. */
struct peer {
    fi_addr_t addr;
    bell_page *bell;
    uint64_t reserved[2];
};

static struct peer *
peer_of(lg_raw_link *l)
{
    return (struct peer *)(void *)l->fabric;
}

static struct slot *
slot_of(lg_netbuf *b)
{
    return (struct slot *)(void *)b->private_words;
}

static void *
desc_of(rdm *t, const lg_netbuf *b)
{
    return t->mr[b->size_class] ? fi_mr_desc(t->mr[b->size_class]) : NULL;
}

/* ---- the doorbell ---- */

static socklen_t
bell_address(const char *name, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path + 1, sizeof ret->sun_path - 1, "%.90s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static bell_page *
bell_map(const char *name, int flags)
{
    char path[160];
    snprintf(path, sizeof path, "/%s.bell", name);
    int fd = shm_open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    void *p = MAP_FAILED;
    if (!(flags & O_CREAT) || ftruncate(fd, 4096) == 0)
        p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static void
bell_ring(rdm *t, lg_raw_link *l)
{
    bell_page *p = peer_of(l)->bell;
    if (!p)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&p->asleep, memory_order_relaxed) || !atomic_exchange(&p->asleep, 0))
        return;
    struct sockaddr_un to;
    socklen_t len = bell_address(l->peer_address, &to);
    /* Full means that it is ringing already; gone is found out through its process. */
    (void)sendto(t->bell_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, len);
}

static void
bell_heard(void *arg)
{
    rdm *t = arg;
    char junk[16];
    while (recv(t->bell_fd, junk, sizeof junk, MSG_DONTWAIT) >= 0)
        ;
}

static lg_status
bell_open(rdm *t)
{
    struct sockaddr_un me;
    t->bell = bell_map(t->raw.base.address, O_CREAT | O_RDWR);
    t->bell_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = bell_address(t->raw.base.address, &me);
    if (!t->bell || t->bell_fd < 0 || bind(t->bell_fd, (struct sockaddr *)&me, len) != 0)
        return LG_SYSTEM;
    return lg_run_watch_fd(t->raw.base.run, t->bell_fd, bell_heard, t, &t->watch);
}

/* ---- the fabric ---- */

static void
post_receives(rdm *t)
{
    while (t->recv_missing) {
        lg_netbuf *b = lg_transport__get_large(&t->raw.base);
        if (!b)
            return;
        slot_of(b)->is_recv = 1;
        ssize_t rc = fi_recv(t->ep, lg_raw__head(b), b->cap + sizeof(lg_raw_head), desc_of(t, b),
                             FI_ADDR_UNSPEC, &slot_of(b)->ctx);
        if (rc) {
            lg_netbuf_put(b);
            return;
        }
        lg_list_push_back(&t->posted_receives, &b->link);
        t->recv_missing--;
    }
}

static lg_status
address_bytes(rdm *t, const char *address, uint8_t *buf, size_t size)
{
    if (t->shm) {
        int n = snprintf((char *)buf, size, "fi_shm://%s", address);
        return n > 0 && (size_t)n < size ? LG_OK : LG_INVALID;
    }
    size_t n = strlen(address) / 2;
    if (n > size)
        return LG_INVALID;
    for (size_t i = 0; i < n; i++) {
        char hex[3] = {address[2 * i], address[2 * i + 1], 0};
        buf[i] = (uint8_t)strtoul(hex, NULL, 16);
    }
    return LG_OK;
}

static lg_status
rdm_attach(lg_raw_link *l, void *from)
{
    (void)from;
    rdm *t = (rdm *)l->base.t;
    struct peer *p = peer_of(l);
    uint8_t raw[256] = {0};
    LG_TRY(address_bytes(t, l->peer_address, raw, sizeof raw));
    if (t->shm) {
        p->bell = bell_map(l->peer_address, O_RDWR);
        if (!p->bell)
            return LG_PEER_DOWN; /* not there yet */
    }
    if (fi_av_insert(t->av, raw, 1, &p->addr, 0, NULL) == 1)
        return LG_OK;
    if (p->bell)
        munmap(p->bell, 4096);
    return LG_PEER_DOWN;
}

/* Two links may share one address of the peer: the entry stays until the transport goes. */
static void
rdm_detach(lg_raw_link *l)
{
    struct peer *p = peer_of(l);
    if (p->bell)
        munmap(p->bell, 4096);
}

static lg_status
rdm_send(lg_raw_link *l, lg_netbuf *b)
{
    rdm *t = (rdm *)l->base.t;
    slot_of(b)->is_recv = 0;
    ssize_t rc = fi_send(t->ep, lg_raw__head(b), b->len + sizeof(lg_raw_head), desc_of(t, b),
                         peer_of(l)->addr, &slot_of(b)->ctx);
    if (rc == -FI_EAGAIN) {
        bell_ring(t, l); /* its queue is full: it should be awake */
        return LG_WOULD_WAIT;
    }
    if (rc)
        return LG_PEER_DOWN;
    lg_list_push_back(&t->posted_sends, &b->link);
    bell_ring(t, l);
    return LG_OK;
}

static const lg_raw_fabric shm_fabric = {rdm_attach, rdm_detach, rdm_send, true};
static const lg_raw_fabric far_fabric = {rdm_attach, rdm_detach, rdm_send, false};

/* ---- polling ---- */

static void
completed(rdm *t, void *op_context, size_t len, bool ok)
{
    lg_netbuf *b = LG_CONTAINER_OF(op_context, lg_netbuf, private_words);
    lg_list_remove(&b->link);
    bool is_recv = slot_of(b)->is_recv;
    if (is_recv)
        t->recv_missing++;
    if (!is_recv || !ok || len < sizeof(lg_raw_head)) {
        lg_netbuf_put(b);
        return;
    }
    post_receives(t);
    b->len = (uint32_t)(len - sizeof(lg_raw_head));
    lg_raw__arrived(&t->raw, b, NULL);
}

static unsigned
take_completions(rdm *t)
{
    struct fi_cq_msg_entry e[BATCH];
    unsigned total = 0;
    for (unsigned round = 0; round < 4; round++) {
        ssize_t n = fi_cq_read(t->cq, e, BATCH);
        if (n == -FI_EAVAIL) {
            struct fi_cq_err_entry err = {0};
            if (fi_cq_readerr(t->cq, &err, 0) > 0 && err.op_context)
                completed(t, err.op_context, 0, false);
            total++;
            continue;
        }
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            completed(t, e[i].op_context, e[i].len, true);
        total += (unsigned)n;
    }
    return total;
}

static unsigned
rdm_poll(void *arg)
{
    rdm *t = arg;
    if (t->bell && atomic_load_explicit(&t->bell->asleep, memory_order_relaxed))
        atomic_store_explicit(&t->bell->asleep, 0, memory_order_relaxed);
    unsigned n = take_completions(t);
    if (t->recv_missing)
        post_receives(t);
    n += lg_raw__flush(&t->raw);
    if (!lg_list_empty(&t->raw.base.reap))
        lg_raw__reap(&t->raw, false);
    return n;
}

static bool
rdm_arm(void *arg)
{
    rdm *t = arg;
    if (!lg_list_empty(&t->raw.base.reap) || t->raw.waiting_links)
        return false;
    if (!t->shm) {
        struct fid *fids[] = {&t->cq->fid};
        return fi_trywait(t->fabric, fids, 1) == FI_SUCCESS;
    }
    atomic_store_explicit(&t->bell->asleep, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (take_completions(t) == 0)
        return true;
    atomic_store_explicit(&t->bell->asleep, 0, memory_order_relaxed);
    return false;
}

/* ---- life ---- */

/* Names end in ".<pid>": what belongs to no living process is removed. */
static void
remove_leftovers(void)
{
    DIR *d = opendir("/dev/shm");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
            continue;
        const char *at = strchr(e->d_name, '@');
        long pid = at ? strtol(at + 1, NULL, 10) : 0;
        char path[300];
        snprintf(path, sizeof path, "/%s", e->d_name);
        if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
            (void)shm_unlink(path);
    }
    if (d)
        closedir(d);
}

static void
close_fid(void *fid)
{
    if (fid)
        (void)fi_close(fid);
}

static void
rdm_destroy(lg_transport *base)
{
    rdm *t = (rdm *)base;
    if (t->watch)
        lg_run_unwatch_fd(t->watch);
    if (t->poller.poll)
        lg_run_poller_remove(base->run, &t->poller);
    lg_raw__mute(&t->raw);
    if (t->cq)
        (void)take_completions(t);
    while (!lg_list_empty(&base->links))
        lg_link_close(LG_CONTAINER_OF(base->links.next, lg_link, node));
    lg_raw__reap(&t->raw, true);
    for (unsigned i = 0; t->cq && i < 100 && !lg_list_empty(&t->posted_sends); i++)
        (void)take_completions(t); /* lets the farewells out */
    close_fid(t->ep);
    for (unsigned i = 0; i < LG_NETBUF_CLASSES; i++)
        close_fid(t->mr[i]);
    close_fid(t->cq);
    close_fid(t->av);
    close_fid(t->domain);
    close_fid(t->fabric);
    if (t->info)
        fi_freeinfo(t->info);
    if (t->bell) {
        char path[160];
        snprintf(path, sizeof path, "/%s.bell", base->address);
        munmap(t->bell, 4096);
        (void)shm_unlink(path);
    }
    if (t->bell_fd >= 0)
        close(t->bell_fd);
    lg_transport__fini_common(base);
    lg_free(t);
}

static struct fi_info *
find_info(rdm *t, const char *name)
{
    struct fi_info *h = fi_allocinfo(), *info = NULL;
    h->caps = FI_MSG;
    h->mode = FI_CONTEXT;
    h->ep_attr->type = FI_EP_RDM;
    h->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    h->domain_attr->threading = FI_THREAD_DOMAIN;
    h->domain_attr->av_type = FI_AV_TABLE;
    h->tx_attr->msg_order = FI_ORDER_SAS;
    h->rx_attr->msg_order = FI_ORDER_SAS;
    h->fabric_attr->prov_name = t->raw.base.kind;
    /* freed by fi_freeinfo */ /* raw: fi_freeinfo frees it */
    if (fi_getinfo(OFI_VERSION, t->shm ? name : NULL, NULL, t->shm ? FI_SOURCE : 0, h, &info))
        info = NULL;
    h->fabric_attr->prov_name = NULL; /* not libfabric's to free */
    fi_freeinfo(h);
    return info;
}

static lg_status
endpoint_open(rdm *t)
{
    struct fi_cq_attr cq = {
        .size = 4096, .format = FI_CQ_FORMAT_MSG, .wait_obj = t->shm ? FI_WAIT_NONE : FI_WAIT_FD};
    struct fi_av_attr av = {.type = FI_AV_TABLE, .count = 64};
    if (fi_fabric(t->info->fabric_attr, &t->fabric, NULL) ||
        fi_domain(t->fabric, t->info, &t->domain, NULL) ||
        fi_cq_open(t->domain, &cq, &t->cq, NULL) || fi_av_open(t->domain, &av, &t->av, NULL))
        return LG_SYSTEM;
    for (unsigned i = 0; i < LG_NETBUF_CLASSES && t->info->domain_attr->mr_mode & FI_MR_LOCAL;
         i++) {
        lg_netbuf_pool *p = &t->raw.base.pools[i];
        if (fi_mr_reg(t->domain, p->memory, p->memory_bytes, FI_SEND | FI_RECV, 0, i, 0, &t->mr[i],
                      NULL))
            return LG_SYSTEM;
    }
    if (fi_endpoint(t->domain, t->info, &t->ep, NULL) || fi_ep_bind(t->ep, &t->av->fid, 0) ||
        fi_ep_bind(t->ep, &t->cq->fid, FI_TRANSMIT | FI_RECV) || fi_enable(t->ep))
        return LG_SYSTEM;
    return LG_OK;
}

static lg_status
name_and_wake(rdm *t)
{
    uint8_t raw[120] = {0};
    size_t n = t->shm ? sizeof raw - 1 : 60;
    if (t->shm) { /* the provider adds to the name it was given */
        if (fi_getname(&t->ep->fid, raw, &n))
            return LG_SYSTEM;
        const char *name = (const char *)raw;
        const char *slashes = strstr(name, "://");
        snprintf(t->raw.base.address, sizeof t->raw.base.address, "%s",
                 slashes ? slashes + 3 : name);
        return bell_open(t);
    }
    if (fi_getname(&t->ep->fid, raw, &n))
        return LG_SYSTEM;
    for (size_t i = 0; i < n; i++)
        snprintf(t->raw.base.address + 2 * i, 3, "%02x", raw[i]);
    int fd;
    if (fi_control(&t->cq->fid, FI_GETWAIT, &fd))
        return LG_SYSTEM;
    return lg_run_watch_fd(t->raw.base.run, fd, NULL, NULL, &t->watch);
}

static void
rdm_buffer_back(lg_transport *base)
{
    post_receives((rdm *)base);
}

static lg_status
rdm_create(const lg_transport_config *cfg, lg_transport **ret_t)
{
    rdm *t = lg_zalloc(sizeof *t);
    lg_transport__init_common(&t->raw.base, &lg_transport__ofi_rdm, cfg);
    t->shm = strcmp(cfg->kind, "shm") == 0;
    t->raw.fabric = t->shm ? &shm_fabric : &far_fabric;
    t->raw.next_number = (uint32_t)lg_run_random(cfg->run) & 0xffff;
    t->bell_fd = -1;
    lg_list_init(&t->posted_receives);
    lg_list_init(&t->posted_sends);
    if (t->shm) {
        remove_leftovers();
        snprintf(t->raw.base.address, sizeof t->raw.base.address, NAME_PREFIX "%.40s@%ld.%x",
                 cfg->address, (long)getpid(), (unsigned)lg_run_random(cfg->run) & 0xffffff);
    }
    lg_status st = LG_UNSUPPORTED;
    t->info = find_info(t, t->raw.base.address);
    if (!t->info)
        goto out;
    LG_CHECK(endpoint_open(t));
    LG_CHECK(name_and_wake(t));
    t->recv_missing = RECEIVES;
    post_receives(t);
    t->poller = (lg_poller){.poll = rdm_poll, .arm = rdm_arm, .arg = t};
    lg_run_poller_add(cfg->run, &t->poller);
    *ret_t = &t->raw.base;
    return LG_OK;
out:
    rdm_destroy(&t->raw.base);
    return st;
}

const lg_transport_ops lg_transport__ofi_rdm = {
    .create = rdm_create,
    .destroy = rdm_destroy,
    .connect = lg_raw__connect,
    .close = lg_raw__close,
    .send = lg_raw__send,
    .buffer_back = rdm_buffer_back,
};
