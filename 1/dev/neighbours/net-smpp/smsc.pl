#!/usr/bin/perl
# perl smsc.pl PORT PASSWORD: says one line on stdout for whatever happens.
use strict;
use warnings;
no warnings 'portable';
use Net::SMPP;

my ($port, $password) = @ARGV;
my $first_id = 0x812fc74700;
$SIG{CHLD} = 'IGNORE';
$| = 1;

my $listener = Net::SMPP->new_listen('127.0.0.1', port => $port, smpp_version => 0x34, timeout => 3600)
    or die "cannot listen: $!";
print "listening\n";

sub receipt {
    my ($smpp, $pdu, $number) = @_;
    my $text = sprintf 'id:%015d sub:001 dlvrd:001 submit date:2611280900 done date:2611280901 stat:DELIVRD err:000 text:',
        $first_id + $number;
    my %where = $number % 2 ? (short_message => $text) : (short_message => '', message_payload => $text);
    $smpp->deliver_sm(async => 1, esm_class => 4, source_addr_ton => 1, source_addr_npi => 1,
        source_addr => $pdu->{destination_addr}, destination_addr => $pdu->{source_addr}, %where);
}

sub serve {
    my ($smpp) = @_;
    my $submits = 0;
    my $taken = 0;
    while (my $pdu = $smpp->read_pdu()) {
        my ($cmd, $seq) = ($pdu->{cmd}, $pdu->{seq});
        if ($cmd == Net::SMPP::CMD_bind_transceiver) {
            my $status = $pdu->{password} eq $password ? 0 : 0x0e;
            $smpp->bind_transceiver_resp(seq => $seq, system_id => 'perl', status => $status);
            print "bind $status\n";
        } elsif ($cmd == Net::SMPP::CMD_submit_sm) {
            if (++$submits % 3 == 0) {
                $smpp->submit_sm_resp(seq => $seq, message_id => '', status => 0x58);
                print "throttled\n";
                next;
            }
            $taken++;
            $smpp->submit_sm_resp(seq => $seq, message_id => sprintf '%x', $first_id + $taken);
            print "taken $pdu->{destination_addr} $pdu->{data_coding} " . unpack('H*', $pdu->{short_message}) . "\n";
            receipt($smpp, $pdu, $taken);
        } elsif ($cmd == Net::SMPP::CMD_deliver_sm_resp) {
            print "acknowledged $pdu->{status}\n";
        } elsif ($cmd == Net::SMPP::CMD_enquire_link) {
            $smpp->enquire_link_resp(seq => $seq);
        } elsif ($cmd == Net::SMPP::CMD_unbind) {
            $smpp->unbind_resp(seq => $seq);
            print "unbound\n";
            return;
        } else {
            print "unexpected $cmd\n";
        }
    }
}

while (1) {
    my $smpp = $listener->accept or next;
    my $child = fork;
    next if $child;
    serve($smpp);
    exit 0;
}
