/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/cleanup.h"

/* Exits are handled in few frames; what is not touched costs nothing. */
#define STACK_BYTES (128U * 1024U)

#define KICK_SIGNAL SIGUSR1

static int create(struct og_vcpu *vcpu, struct og_kvm *kvm, struct og_err *err)
{
	vcpu->fd = vcpu->index == 0 ? og_take_fd(&kvm->first_vcpu_fd) : -EBADF;
	if (vcpu->fd < 0)
		vcpu->fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);
	if (vcpu->fd < 0)
		return og_fail(err, -errno, "create vCPU %u", vcpu->index);

	vcpu->run = mmap(NULL, kvm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return og_fail(err, -errno, "map vCPU %u", vcpu->index);
	}
	vcpu->run_bytes = kvm->run_bytes;
	/* A fork's child has vCPUs of its own: this one's page would keep its machine alive. */
	(void)madvise(vcpu->run, vcpu->run_bytes, MADV_DONTFORK);
	return 0;
}

int og_vcpu_init(struct og_vcpu *vcpu, struct og_kvm *kvm, unsigned index,
		 const struct og_cpu_layout *layout, struct og_cpuid *cpuid,
		 const struct og_vcpu_world *world, struct og_err *err)
{
	int r;

	*vcpu = (struct og_vcpu){ .fd = -EBADF, .index = index, .world = world };
	r = create(vcpu, kvm, err);
	if (r < 0) {
		og_vcpu_done(vcpu);
		return r;
	}

	if (cpuid != NULL)
		og_cpuid_adapt(cpuid, index, layout);
	if (cpuid != NULL && ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0) {
		r = og_fail(err, -errno, "set the features of vCPU %u", index);
		og_vcpu_done(vcpu);
		return r;
	}
	return og_vcpu_set_msrs(vcpu, err);
}

void og_vcpu_done(struct og_vcpu *vcpu)
{
	if (vcpu->run != NULL)
		(void)munmap(vcpu->run, vcpu->run_bytes);
	vcpu->run = NULL;
	vcpu->fd = og_close(vcpu->fd);
}

static void count_io(struct og_vcpu_metrics *metrics, bool out)
{
	if (metrics != NULL)
		og_counted(out ? &metrics->exit_io_out : &metrics->exit_io_in, 1);
}

static void count_mmio(struct og_vcpu_metrics *metrics, bool write)
{
	if (metrics != NULL)
		og_counted(write ? &metrics->exit_mmio_write : &metrics->exit_mmio_read, 1);
}

static void handle_io(const struct og_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	count_io(vcpu->world->metrics, run->io.direction == KVM_EXIT_IO_OUT);
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		og_bus_access(vcpu->world->ports, run->io.port, data, run->io.size,
			      run->io.direction == KVM_EXIT_IO_OUT);
}

static int fail_exit(struct og_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		return og_fail(&vcpu->err, -EIO, "vCPU %u cannot enter the guest (reason 0x%llx)",
			       vcpu->index,
			       (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return og_fail(&vcpu->err, -EIO,
			       "vCPU %u: KVM cannot go on (internal error %u); is this a KVM "
			       "that can run a kernel? ask onggi-vmm --probe",
			       vcpu->index, run->internal.suberror);
	return og_fail(&vcpu->err, -EIO, "vCPU %u: exit %u is not known", vcpu->index,
		       run->exit_reason);
}

/* Serves one exit. A negative result ends the machine as failed. */
static int handle_exit(struct og_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		return 0;
	case KVM_EXIT_MMIO:
		count_mmio(vcpu->world->metrics, run->mmio.is_write != 0);
		og_bus_access(vcpu->world->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			      run->mmio.is_write != 0);
		return 0;
	case KVM_EXIT_INTR:
		return 0;
	case KVM_EXIT_SHUTDOWN: /* a triple fault: what resets a PC */
	case KVM_EXIT_SYSTEM_EVENT:
		og_power_end(vcpu->world->power, OG_REBOOTED);
		return 0;
	default:
		return fail_exit(vcpu);
	}
}

static bool is_running(const struct og_vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->world->power->outcome, memory_order_relaxed) ==
	       OG_RUNNING;
}

/* A kick that comes before the flag is cleared has closed the gate before, so it is not lost. */
static void wait_at_gate(struct og_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	og_gate_pass(vcpu->world->gate);
}

static int run_guest(struct og_vcpu *vcpu)
{
	while (is_running(vcpu)) {
		int r;

		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EAGAIN)
				continue;
			/* Only here is no access of the guest's half done. */
			if (errno == EINTR) {
				wait_at_gate(vcpu);
				continue;
			}
			return og_fail(&vcpu->err, -errno, "run vCPU %u", vcpu->index);
		}
		r = handle_exit(vcpu);
		if (r < 0)
			return r;
	}
	return 0;
}

static void *thread_main(void *arg)
{
	struct og_vcpu *vcpu = arg;
	const struct og_vcpu_world *world = vcpu->world;
	int r = world->confine != NULL ? world->confine(&vcpu->err) : 0;

	og_gate_pass(world->gate);
	if (r == 0)
		r = run_guest(vcpu);
	if (r < 0 && world->metrics != NULL)
		og_counted(&world->metrics->failures, 1);
	if (r < 0)
		og_power_end(world->power, OG_FAILED);
	og_gate_leave(world->gate);
	return NULL;
}

static void on_kick(int signal)
{
	(void)signal; /* its arrival is the message: KVM_RUN returns */
}

int og_vcpu_prepare_kick(struct og_err *err)
{
	struct sigaction action = { .sa_handler = on_kick };

	if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
		return og_fail(err, -errno, "set up the signal that stops vCPUs");
	return 0;
}

int og_vcpu_start(struct og_vcpu *vcpu, struct og_err *err)
{
	pthread_attr_t attr;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&vcpu->thread, &attr, thread_main, vcpu);
	(void)pthread_attr_destroy(&attr);
	if (r != 0)
		return og_fail(err, -r, "start the thread of vCPU %u", vcpu->index);
	vcpu->started = true;
	return 0;
}

int og_vcpu_pin(struct og_vcpu *vcpu, const void *mask, size_t mask_bytes, struct og_err *err)
{
	int r = pthread_setaffinity_np(vcpu->thread, mask_bytes, mask);

	return r == 0 ? 0 : og_fail(err, -r, "pin vCPU %u", vcpu->index);
}

void og_vcpu_kick(struct og_vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	(void)pthread_kill(vcpu->thread, KICK_SIGNAL);
}

void og_vcpu_join(struct og_vcpu *vcpu)
{
	if (vcpu->started)
		(void)pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
