/* nodes/service_notify.h: tells systemd how the service is doing (sd_notify(3), "Standalone Implementations"). */
#ifndef WEFT_NODES_SERVICE_NOTIFY_H
#define WEFT_NODES_SERVICE_NOTIFY_H

/* Sends "READY=1", "STOPPING=1" … to $NOTIFY_SOCKET; does nothing where there is none. Never blocks. */
void service_notify(const char *state);

#endif
