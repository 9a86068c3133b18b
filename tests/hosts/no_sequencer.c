/* A stub of the ALSA sequencer, to preload into qtractor on machines without /dev/snd/seq:
 * without a sequencer qtractor does not start its audio engine. It accepts all events and
 * sends none. The plugin and its audio do not use it. */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

typedef void seq;

static int ends[2], ports, queues;

/* Functions with a result. */
int snd_seq_open(seq **handle, const char *name, int streams, int mode) { *handle = ends; return pipe(ends); }
int snd_seq_client_id(seq *s) { return 128; }
int snd_seq_alloc_queue(seq *s) { return queues++; }
int snd_seq_create_simple_port(seq *s, const char *name, unsigned can, unsigned type) { return ports++; }
int snd_seq_poll_descriptors_count(seq *s, short events) { return 1; }
int snd_seq_poll_descriptors(seq *s, struct pollfd *to, unsigned room, short events) {
    if (room < 1) return 0;
    to[0] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
    return 1;
}

/* Functions that succeed without effect. */
#define TAKEN(name, ...) int name(__VA_ARGS__) { return 0; }
TAKEN(snd_seq_close, seq *s)
TAKEN(snd_seq_set_client_name, seq *s, const char *name)
TAKEN(snd_seq_free_queue, seq *s, int queue)
TAKEN(snd_seq_control_queue, seq *s, int queue, int type, int value, void *event)
TAKEN(snd_seq_delete_simple_port, seq *s, int port)
TAKEN(snd_seq_drain_output, seq *s)
TAKEN(snd_seq_drop_input, seq *s)
TAKEN(snd_seq_drop_output, seq *s)
TAKEN(snd_seq_event_input_pending, seq *s, int fetch)
TAKEN(snd_seq_event_output, seq *s, void *event)
TAKEN(snd_seq_event_output_direct, seq *s, void *event)
TAKEN(snd_seq_free_event, void *event)
TAKEN(snd_seq_get_port_info, seq *s, int port, void *info)
TAKEN(snd_seq_set_port_info, seq *s, int port, void *info)
TAKEN(snd_seq_set_queue_tempo, seq *s, int queue, void *tempo)
TAKEN(snd_seq_set_queue_timer, seq *s, int queue, void *timer)
TAKEN(snd_seq_remove_events, seq *s, void *info)
TAKEN(snd_seq_subscribe_port, seq *s, void *subscription)
TAKEN(snd_seq_unsubscribe_port, seq *s, void *subscription)

/* Functions that report absent events, clients and ports. */
#define ABSENT(name, error, ...) int name(__VA_ARGS__) { return -error; }
ABSENT(snd_seq_event_input, EAGAIN, seq *s, void **event)
ABSENT(snd_seq_get_any_client_info, ENOENT, seq *s, int client, void *info)
ABSENT(snd_seq_get_any_port_info, ENOENT, seq *s, int client, int port, void *info)
ABSENT(snd_seq_get_queue_status, EIO, seq *s, int queue, void *status)
ABSENT(snd_seq_get_queue_tempo, EIO, seq *s, int queue, void *tempo)
ABSENT(snd_seq_query_next_client, ENOENT, seq *s, void *info)
ABSENT(snd_seq_query_next_port, ENOENT, seq *s, void *info)
ABSENT(snd_seq_query_port_subscribers, ENOENT, seq *s, void *subscription)
