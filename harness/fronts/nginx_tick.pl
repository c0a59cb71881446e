# Asks nginx for one small thing after the other, so that its cache manager has one to remove every MS milliseconds and
# looks at every cache's size then (harness/fronts/nginx_cache.py). Ends with nginx, its parent, whose number it is
# told: it may be gone already. Perl's own modules alone.
use strict;
use warnings;
use IO::Socket::UNIX;

my ($path, $ms, $nginx) = @ARGV;
my ($socket, $number) = (undef, 0);
$SIG{PIPE} = 'IGNORE';

while (getppid == $nginx) {
    # A little faster than they are removed, so that there is always one left.
    select undef, undef, undef, 0.8 * $ms / 1000;
    $socket //= IO::Socket::UNIX->new(Peer => $path) or next;
    $number++;
    print {$socket} "GET /$number HTTP/1.1\r\nHost: tick\r\n\r\n";
    $socket->flush;
    sysread($socket, my $answer, 4096) or $socket = undef;
    # A manager that found nothing at its start sleeps for 10 s; the one that takes its place looks at once.
    kill TERM => managers() if $number == 10;
}

sub managers {
    my @found;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $stat, '<', $file or next;
        my ($pid, $parent) = (<$stat> // '') =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        next if $parent != $nginx;
        open my $command, '<', "/proc/$pid/cmdline" or next;
        push @found, $pid if (<$command> // '') =~ /^nginx: cache manager/;
    }
    return @found;
}
